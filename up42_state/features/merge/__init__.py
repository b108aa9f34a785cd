"""The propagation operator: features of earlier stages in the current collection."""
