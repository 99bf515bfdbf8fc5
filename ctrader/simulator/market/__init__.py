"""The market: prices, trading hours, live quotes, bars and depth."""
