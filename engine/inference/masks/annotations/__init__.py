"""Masks from where people make them: a module for each tool's files, and one that tells which a file is."""
