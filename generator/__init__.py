"""The parts of codegen.py: spec/ in, files of generated/ out."""
