"""What deployments switch on: context depth, prefix caching, speculation, KV cache dtypes."""
