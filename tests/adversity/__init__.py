"""What hostile networks, careless users and busy machines do to the clients."""
