"""What happens to accounts: money, margin, swaps, margin calls and stop-outs."""
