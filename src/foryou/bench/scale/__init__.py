"""How does a server of millions of items behave? A world with its clicks is built once, served, and asked."""
