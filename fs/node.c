/*
 * The one thing about node ids that is not a shift: which days a date means.
 */
#include "fs/node.h"

bool node_days(uint64_t node, int32_t *ret_first, int32_t *ret_last)
{
	uint32_t date = node_date_of(node);
	int year = (int)(date >> 9), month = (int)(date >> 5 & 15), mday = (int)(date & 31);
	int32_t last;

	if (date == NODE_UNDATED) {
		*ret_first = *ret_last = INT32_MIN;
		return true;
	}
	if (!date_to_day(year, month ? month : 1, mday ? mday : 1, ret_first))
		return false;
	if (mday) {
		*ret_last = *ret_first;
		return true;
	}
	/* The day before the next month or year begins. */
	if (!month || month == 12)
		last = date_to_day(year + 1, 1, 1, &last) ? last - 1 : *ret_first + (month ? 30 : 364);
	else if (date_to_day(year, month + 1, 1, &last))
		last--;
	*ret_last = last;
	return true;
}
