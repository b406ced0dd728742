"""What we decided: deployments, the ledgers that explain them, their outcomes, and the plan."""
