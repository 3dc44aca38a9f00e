"""`maelctl`: one file per verb. It reaches the API's client and the model, and nothing behind them."""
