"""Encoders of images and sound with their projectors, one small file per kind of encoder."""
