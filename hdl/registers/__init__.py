"""The decoder's registers: `map` holds the addresses and fields, generated from config/registers.rdl."""
