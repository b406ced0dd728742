"""What we know: frozen descriptions of models, hardware, engines, prices and traffic, with their sources."""
