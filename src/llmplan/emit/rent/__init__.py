"""What targets share that rent GPUs from somebody: names of GPUs, the planned seller and price, scaling, commands."""
