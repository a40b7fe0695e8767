"""Deaths at named points, in processes of their own."""
