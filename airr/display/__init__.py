"""What people see of a campaign, while it runs and afterwards."""
