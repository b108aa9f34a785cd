"""The propagation operator over stored stages."""
