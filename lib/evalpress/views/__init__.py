"""What each section shows: tables and sentences made from a results document, nothing measured here."""
