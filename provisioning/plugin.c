/* The plugin: two things that Mosquitto 2.0 cannot be told by its configuration.
 *
 * A unit may ask for the few topics that are its own to hear, and for no others: its ACL file says what a client hears,
 * not what it asks for, and each level of each filter asked for takes memory (8 MB of them took 2.7 GB).
 * Whoever is named in `revoked.txt` is put out when Mosquitto reads its files again (SIGHUP): the list of revoked
 * certificates alone ends no session that is open.
 *
 * gcc -shared -fPIC -O2 -o testigo.so testigo.c       (apt-get install gcc libc6-dev mosquitto-dev libmosquitto-dev)
 */
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define UNIT "u-"         /* how the names of units begin, and no hub's */
#define UNIT_NAME_MAX 32  /* wire.note.NAME */
#define FILTER_MAX 160    /* base, unit's name and leaf, with room */

static const char *base, *heard, *revoked;

static bool is_heard(const char *leaf, size_t length) {
    for (const char *each = heard; each != NULL; each = strchr(each, ',')) {
        each += *each == ',';
        if (strcspn(each, ",") == length && strncmp(each, leaf, length) == 0) return true;
    }
    return false;
}

static bool is_own(const char *unit, const char *filter) {
    char stem[FILTER_MAX];
    int length = snprintf(stem, sizeof stem, "%s/%s/", base, unit);
    if (length <= 0 || (size_t)length >= sizeof stem || strncmp(filter, stem, (size_t)length) != 0) return false;
    return is_heard(filter + length, strlen(filter + length));
}

static int on_check(int event, void *given, void *none) {
    struct mosquitto_evt_acl_check *check = given;
    const char *name = mosquitto_client_username(check->client);
    (void)event, (void)none;
    if (check->access != MOSQ_ACL_SUBSCRIBE) return MOSQ_ERR_PLUGIN_DEFER;
    if (name == NULL) return MOSQ_ERR_ACL_DENIED;
    if (strncmp(name, UNIT, strlen(UNIT)) != 0) return MOSQ_ERR_PLUGIN_DEFER;
    return is_own(name, check->topic) ? MOSQ_ERR_PLUGIN_DEFER : MOSQ_ERR_ACL_DENIED;
}

static int on_reload(int event, void *given, void *none) {
    char name[UNIT_NAME_MAX + 2];
    FILE *file = fopen(revoked, "r");
    (void)event, (void)given, (void)none;
    if (file == NULL) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "%s cannot be read: nobody was put out: see whose file it is", revoked);
        return MOSQ_ERR_SUCCESS;
    }
    while (fgets(name, sizeof name, file) != NULL) {
        name[strcspn(name, "\n")] = '\0';
        if (name[0] != '\0') mosquitto_kick_client_by_username(name, false);
    }
    fclose(file);
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_version(int count, const int *versions) {
    for (int i = 0; i < count; i++)
        if (versions[i] == MOSQ_PLUGIN_VERSION) return MOSQ_PLUGIN_VERSION;
    return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *self, void **none, struct mosquitto_opt *options, int count) {
    (void)none;
    for (int i = 0; i < count; i++) {
        if (strcmp(options[i].key, "base") == 0) base = options[i].value;
        else if (strcmp(options[i].key, "heard") == 0) heard = options[i].value;
        else if (strcmp(options[i].key, "revoked") == 0) revoked = options[i].value;
    }
    if (base == NULL || heard == NULL || revoked == NULL) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "testigo.so needs plugin_opt_base, _heard and _revoked: write testigo.conf anew");
        return MOSQ_ERR_INVAL;
    }
    int failed = mosquitto_callback_register(self, MOSQ_EVT_ACL_CHECK, on_check, NULL, NULL);
    return failed ? failed : mosquitto_callback_register(self, MOSQ_EVT_RELOAD, on_reload, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *none, struct mosquitto_opt *options, int count) {
    (void)none, (void)options, (void)count;
    return MOSQ_ERR_SUCCESS;
}
