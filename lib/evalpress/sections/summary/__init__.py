"""Summary: verdict, headline and gates, from results files alone."""
