"""Bounces of many mail systems as they write them, made anew: nobody's mail is in here."""
