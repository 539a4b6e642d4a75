"""Formats of image files, one a module, each read into a Table without trusting the file."""
