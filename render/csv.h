/*
 * Records as rows of a table: CSV as RFC 4180 has it, lines ending in CR LF, a header first.
 *
 * user, userType, role, accessKeyId, accountId, resources and the like are what the views of those names
 * show; the other columns are members of the record of the same name. Strings are decoded, numbers and
 * booleans are their own text, and what is absent, null, an object or an array is an empty cell. Resources
 * are joined by `;`. A lone surrogate, which UTF-8 cannot have, is U+FFFD.
 *
 * A cell that a spreadsheet would run as a formula (it begins with = + - @, a TAB or a CR) gets a `'` before
 * it, as OWASP advises ("CSV Injection").
 *
 * A struct csv keeps scratch memory between rows and belongs to one thread.
 */
#ifndef RENDER_CSV_H
#define RENDER_CSV_H

#include "render/buf.h"
#include "render/event.h"

#define CSV_HEADER                                                                                           \
	"eventTime,eventSource,eventName,awsRegion,sourceIPAddress,user,userType,role,accessKeyId,"          \
	"accountId,errorCode,errorMessage,readOnly,resources,userAgent,requestID,eventID\r\n"

struct csv;
struct csv *csv_new(void); /* NULL: no memory */
void csv_free(struct csv *c);

/*
 * Appends the row of one record (len bytes, which scan_log() has found to be one). key_account: the account
 * in its object's key, or absent. 0; -EBADMSG: it is not one JSON value; -ENOMEM. After an error, out holds
 * what it held, or has failed.
 */
int csv_row(struct csv *c, const char *text, size_t len, struct value key_account, struct buf *out);

#endif
