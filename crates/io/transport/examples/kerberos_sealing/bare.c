/* The bare call that sealing is measured beside: gss_wrap_iov in the layout of WinRM (HEADER, DATA, PADDING), in place.
 * bare LENGTH SECONDS: makes a context with itself, by KRB5CCNAME and KRB5_KTNAME, and prints megabytes a second. */
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void check(const char *what, OM_uint32 major)
{
    if (GSS_ERROR(major)) {
        fprintf(stderr, "%s: %#x\n", what, (unsigned)major);
        exit(1);
    }
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    size_t length = strtoul(words[1], NULL, 10);
    double seconds = strtod(words[2], NULL);
    OM_uint32 minor, flags = GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;
    gss_buffer_desc text = {strlen("HTTP@srv.transom.test"), "HTTP@srv.transom.test"}, request = {0, NULL}, reply = {0, NULL};
    gss_buffer_desc nothing = {0, NULL};
    gss_name_t service = GSS_C_NO_NAME;
    gss_ctx_id_t client = GSS_C_NO_CONTEXT, server = GSS_C_NO_CONTEXT;

    check("gss_import_name", gss_import_name(&minor, &text, GSS_C_NT_HOSTBASED_SERVICE, &service));
    check("gss_init_sec_context",
          gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &client, service, (gss_OID)gss_mech_krb5, flags, 0,
                               GSS_C_NO_CHANNEL_BINDINGS, GSS_C_NO_BUFFER, NULL, &request, NULL, NULL));
    check("gss_accept_sec_context",
          gss_accept_sec_context(&minor, &server, GSS_C_NO_CREDENTIAL, &request, GSS_C_NO_CHANNEL_BINDINGS, NULL, NULL,
                                 &reply, NULL, NULL, NULL));
    check("gss_init_sec_context",
          gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &client, service, (gss_OID)gss_mech_krb5, flags, 0,
                               GSS_C_NO_CHANNEL_BINDINGS, &reply, NULL, &nothing, NULL, NULL));

    char *data = malloc(length);
    if (!data)
        return 1;
    memset(data, 'x', length);
    double begin = now(), end;
    unsigned long sealed = 0;
    do {
        gss_iov_buffer_desc parts[3] = {
            {GSS_IOV_BUFFER_TYPE_HEADER | GSS_IOV_BUFFER_FLAG_ALLOCATE, {0, NULL}},
            {GSS_IOV_BUFFER_TYPE_DATA, {length, data}},
            {GSS_IOV_BUFFER_TYPE_PADDING | GSS_IOV_BUFFER_FLAG_ALLOCATE, {0, NULL}},
        };
        check("gss_wrap_iov", gss_wrap_iov(&minor, client, 1, GSS_C_QOP_DEFAULT, NULL, parts, 3));
        gss_release_iov_buffer(&minor, parts, 3);
        sealed++;
        end = now();
    } while (end - begin < seconds);
    printf("%.1f\n", (double)sealed * (double)length / (end - begin) / 1e6);
    return 0;
}
