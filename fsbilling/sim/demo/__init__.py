"""`fsbilling demo`: half a minute of a telecom company's day, checked at its end."""
