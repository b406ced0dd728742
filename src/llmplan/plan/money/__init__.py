"""Bills set beside older bills and beside limits: what changed, why, and what breaks a gate."""
