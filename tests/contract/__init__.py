"""The public promise: what each tool says of itself over the wire, and the worked cases of each that changes things."""
