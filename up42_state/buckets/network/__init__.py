"""What the buckets behind a network share: bodies, connections, logs of SDKs, hosts."""
