"""What rules, policies and rollouts mean for Dags: what is known of them, and writing it down."""
