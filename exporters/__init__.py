"""The ways out: Postback, FTP, CSV, and the one door to the network. Knows nothing else of ours."""
