"""Makes the functions of a Python file callable with JSON."""
