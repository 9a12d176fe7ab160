package client

// SendOnce makes tests quick that do not test how often a command is repeated.
func (c *Client) SendOnce() { c.triesMax = 1 }
