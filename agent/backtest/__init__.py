"""`tocsin backtest`: what a site's rules would have done with recorded history, and was it right."""
