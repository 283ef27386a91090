"""What benchmarks stand on."""
