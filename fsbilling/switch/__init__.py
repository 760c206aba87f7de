"""The door to FreeSWITCH: ESL in, ESL out."""
