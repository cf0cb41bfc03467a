"""New from old: what is made by changing images or maps that exist, and says so."""
