"""What is known of each area of the platform, shared by its tools: decisions, and steps as data. It never acts."""
