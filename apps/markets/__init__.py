"""What is traded and on what grid: assets and markets as the engine states them."""
