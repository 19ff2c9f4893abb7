/*
 * The order: no new rights, or the rest could not be asked for without rights; capabilities; files; calls, as
 * the filter forbids what comes before it.
 *
 * A rule of Landlock's is about a file as it is, and one that is replaced by another of its name is no longer
 * allowed. So what is replaced in the normal course of things is allowed by its folder, where that holds
 * nothing else of worth. Credentials are not here at all: the warden opens those.
 */
#include "fs/confine.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/confine_private.h"
#include "fs/log.h"

static const struct confine_path always[] = {
	{"/usr", CONFINE_READ}, /* libraries, locales, zones, certificates */
	{"/lib", CONFINE_READ},
	{"/lib64", CONFINE_READ},
	{"/etc/ld.so.cache", CONFINE_READ},
	{"/etc/localtime", CONFINE_READ},
	{"/dev/null", CONFINE_DEVICE},
};

/* The modules of the name service are libraries that come when they are first needed. */
static const struct confine_path of_networks[] = {
	{"/etc/nsswitch.conf", CONFINE_READ},
	{"/etc/resolv.conf", CONFINE_READ},
	{"/etc/host.conf", CONFINE_READ},
	{"/etc/hosts", CONFINE_READ},
	{"/etc/gai.conf", CONFINE_READ},
	{"/etc/services", CONFINE_READ},
	{"/etc/protocols", CONFINE_READ},
	{"/etc/passwd", CONFINE_READ},
	{"/etc/hostname", CONFINE_READ},
	{"/etc/machine-id", CONFINE_READ},
	{"/etc/ssl/certs", CONFINE_READ},
	{"/etc/ssl/openssl.cnf", CONFINE_READ},
	{"/etc/pki/tls/certs", CONFINE_READ},
	{"/etc/pki/tls/openssl.cnf", CONFINE_READ},
	{"/etc/pki/ca-trust", CONFINE_READ},
	{"/etc/crypto-policies", CONFINE_READ},
	{"/dev/urandom", CONFINE_READ},
};

/* What these are links to is replaced. */
static const char *const replaced[] = {
	"/etc/resolv.conf",
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/ssl/cert.pem",
};

/* Their reports name lines of the program's text. */
static const struct confine_path of_sanitizers[] = {
	{"/proc", CONFINE_READ},
	{"/proc/self/exe", CONFINE_READ},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void allow(struct landlock *l, const struct confine_path *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int ret = p[i].path != NULL ? landlock_allow(l, &p[i]) : 0;
		if (ret < 0)
			log_debug("%s: will not be used: %s", p[i].path, strerror(-ret));
	}
}

/* Of folders that hold much else: those at the top, and the home folder. */
static bool is_wide(const char *folder)
{
	const char *home = getenv("HOME");
	char real[PATH_MAX];
	return strchr(folder + 1, '/') == NULL ||
	       (home != NULL && realpath(home, real) != NULL && strcmp(real, folder) == 0);
}

/* The file that this leads to, with its folder if that may be. */
static void allow_replaced(struct landlock *l, const char *path)
{
	char real[PATH_MAX];
	if (path == NULL || realpath(path, real) == NULL)
		return;
	allow(l, &(struct confine_path){real, CONFINE_READ}, 1);
	char *slash = strrchr(real, '/');
	*slash = '\0';
	if (slash != real && !is_wide(real))
		allow(l, &(struct confine_path){real, CONFINE_READ}, 1);
}

static void allow_all(struct landlock *l, const struct confine_options *o)
{
	allow(l, o->path, o->n_path);
	allow(l, always, COUNT(always));
	if (CONFINE_WATCHED)
		allow(l, of_sanitizers, COUNT(of_sanitizers));
	if (!o->network)
		return;
	allow(l, of_networks, COUNT(of_networks));
	allow_replaced(l, o->ca_bundle);
	for (size_t i = 0; i < COUNT(replaced); i++)
		allow_replaced(l, replaced[i]);
	/* Who is not root can read nothing there that others could not; and these files are replaced, on
	 * machines that move from one network to another. */
	if (geteuid() != 0)
		allow(l, &(struct confine_path){"/etc", CONFINE_READ}, 1);
}

static int confine_files(const struct confine_options *o)
{
	struct landlock *l;
	int version = 0, ret = landlock_new(o->network, &l, &version);
	if (ret < 0)
		return ret;
	allow_all(l, o);
	ret = landlock_enforce(l);
	landlock_free(l);
	log_debug("Landlock, version %d", version);
	return ret;
}

/* Of a root's only those that read and write files whoever owns them. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];
	const uint32_t kept = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
	if (syscall(SYS_capget, &header, caps) < 0)
		return -errno;
	caps[0].effective &= kept;
	caps[0].permitted &= kept;
	caps[1].effective = caps[1].permitted = 0;
	caps[0].inheritable = caps[1].inheritable = 0;
	return syscall(SYS_capset, &header, caps) < 0 ? -errno : 0;
}

/* Adds to the list of what is missing. */
static void note(char missing[CONFINE_TEXT_MAX], const char *what, int ret)
{
	size_t n = strlen(missing);
	if (ret < 0)
		snprintf(missing + n, CONFINE_TEXT_MAX - n, "%s%s (%s)", n > 0 ? ", " : "", what,
			ret == -ENOSYS ? "this kernel has none" : strerror(-ret));
}

void confine(const struct confine_options *o, char missing[CONFINE_TEXT_MAX])
{
	missing[0] = '\0';
	note(missing, "PR_SET_NO_NEW_PRIVS", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0);
	note(missing, "dropping capabilities", drop_capabilities());
	note(missing, "Landlock", confine_files(o));
	note(missing, "a seccomp filter", calls_confine(o->network));
}
