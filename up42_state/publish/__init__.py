"""Show a job to others."""
