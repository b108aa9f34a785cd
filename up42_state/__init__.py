"""State and propagation for containerised geospatial blocks."""
