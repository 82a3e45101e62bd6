package config

// Captures returns what %0 to %9 stand for in the block of that number.
func (c *Config) Captures(block int, r *Request) []string {
	if cond := c.contexts[block].captor(); cond != nil {
		return cond.captures(r)
	}
	return nil
}
