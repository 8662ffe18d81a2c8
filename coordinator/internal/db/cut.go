package db

// Cut gives a page out of rows of which one more was read than the page holds, and
// whether another page follows: that row tells it without counting a long list.
func Cut[Row any](rows []Row, limit int) (page []Row, more bool) {
	if len(rows) > limit {
		return rows[:limit], true
	}
	return rows, false
}
