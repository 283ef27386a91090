"""What tests of bad networks stand on."""
