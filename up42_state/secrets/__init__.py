"""Nothing secret leaves the process: what a secret looks like, and the sieve that every text passes."""
