"""The families that can be read, one small file per group."""
