/* Asks for /x over TLS with mbed TLS 2.28: get PORT HOST CA, where the CA "-" verifies
 * nothing. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *step, int code)
{
    char text[200];
    mbedtls_strerror(code, text, sizeof text);
    fprintf(stderr, "%s: %s\n", step, text);
    exit(1);
}

#define DO(call)                       \
    do {                               \
        int code = (call);             \
        if (code < 0)                  \
            fail(#call, code);         \
    } while (0)

int main(int argc, char **argv)
{
    mbedtls_net_context net;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_ssl_config config;
    mbedtls_ssl_context tls;
    mbedtls_x509_crt ca;
    unsigned char buffer[4096];
    const char *protocols[] = {"http/1.1", NULL};
    int n;

    if (argc != 4)
        return 2;
    mbedtls_net_init(&net);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&tls);
    mbedtls_x509_crt_init(&ca);
    DO(mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0));
    DO(mbedtls_net_connect(&net, "127.0.0.1", argv[1], MBEDTLS_NET_PROTO_TCP));
    DO(mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT));
    DO(mbedtls_ssl_conf_alpn_protocols(&config, protocols));
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    if (strcmp(argv[3], "-") == 0) {
        mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    } else {
        DO(mbedtls_x509_crt_parse_file(&ca, argv[3]));
        mbedtls_ssl_conf_ca_chain(&config, &ca, NULL);
    }
    DO(mbedtls_ssl_setup(&tls, &config));
    DO(mbedtls_ssl_set_hostname(&tls, argv[2]));
    mbedtls_ssl_set_bio(&tls, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    DO(mbedtls_ssl_handshake(&tls));
    n = snprintf((char *)buffer, sizeof buffer, "GET /x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", argv[2]);
    DO(mbedtls_ssl_write(&tls, buffer, n));
    while ((n = mbedtls_ssl_read(&tls, buffer, sizeof buffer)) > 0)
        fwrite(buffer, 1, n, stdout);
    mbedtls_ssl_close_notify(&tls);
    return 0;
}
