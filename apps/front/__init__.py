"""The trader's page at `/`: its files and their addresses. All it knows, it knows over the API."""
