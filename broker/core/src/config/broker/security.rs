//! Keys of security: TLS, SASL, authorization, delegation tokens.
//!
//! Source: `KafkaConfig` of Apache Kafka 4.3.1 for names, types, defaults and bounds.

use super::super::{Valid, table::keys};

keys! {
    /// Java class that decides who may do what; empty allows everything to everybody.
    AUTHORIZER_CLASS_NAME "authorizer.class.name" String = Some(""), Valid::Any, ReadOnly, Low;
    /// Pause before a connection that failed to authenticate is closed.
    CONNECTION_FAILED_AUTHENTICATION_DELAY_MS "connection.failed.authentication.delay.ms" Int = Some("100"), Valid::AtLeast(0), ReadOnly, Low;
    /// Lifetime of an authenticated session before it must authenticate again; 0 is unlimited.
    CONNECTIONS_MAX_REAUTH_MS "connections.max.reauth.ms" Long = Some("0"), Valid::Any, ReadOnly, Medium;
    /// Time between two searches for expired delegation tokens.
    DELEGATION_TOKEN_EXPIRY_CHECK_INTERVAL_MS "delegation.token.expiry.check.interval.ms" Long = Some("3600000"), Valid::AtLeast(1), ReadOnly, Low;
    /// Time for which a delegation token is valid before it must be renewed.
    DELEGATION_TOKEN_EXPIRY_TIME_MS "delegation.token.expiry.time.ms" Long = Some("86400000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Longest lifetime of a delegation token, renewals included.
    DELEGATION_TOKEN_MAX_LIFETIME_MS "delegation.token.max.lifetime.ms" Long = Some("604800000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Secret by which delegation tokens are signed; the same on all nodes.
    DELEGATION_TOKEN_SECRET_KEY "delegation.token.secret.key" Password = None, Valid::Any, ReadOnly, Medium;
    /// Java class that names the user of a connection.
    PRINCIPAL_BUILDER_CLASS "principal.builder.class" Class = Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"), Valid::Any, PerBroker, Medium;
    /// Java class that answers callbacks of a SASL client.
    SASL_CLIENT_CALLBACK_HANDLER_CLASS "sasl.client.callback.handler.class" Class = None, Valid::Any, ReadOnly, Medium;
    /// SASL mechanisms that are offered.
    SASL_ENABLED_MECHANISMS "sasl.enabled.mechanisms" List = Some("GSSAPI"), Valid::Any, PerBroker, Medium;
    /// JAAS login of a SASL mechanism.
    SASL_JAAS_CONFIG "sasl.jaas.config" Password = None, Valid::Any, PerBroker, Medium;
    /// Path of kinit.
    SASL_KERBEROS_KINIT_CMD "sasl.kerberos.kinit.cmd" String = Some("/usr/bin/kinit"), Valid::Any, PerBroker, Medium;
    /// Shortest time between two Kerberos logins.
    SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN "sasl.kerberos.min.time.before.relogin" Long = Some("60000"), Valid::Any, PerBroker, Medium;
    /// Rules from Kerberos principals to user names.
    SASL_KERBEROS_PRINCIPAL_TO_LOCAL_RULES "sasl.kerberos.principal.to.local.rules" List = Some("DEFAULT"), Valid::Any, PerBroker, Medium;
    /// Kerberos principal of the brokers.
    SASL_KERBEROS_SERVICE_NAME "sasl.kerberos.service.name" String = None, Valid::Any, PerBroker, Medium;
    /// Randomness of the renewal time of a ticket.
    SASL_KERBEROS_TICKET_RENEW_JITTER "sasl.kerberos.ticket.renew.jitter" Double = Some("0.05"), Valid::Any, PerBroker, Medium;
    /// Share of a ticket's lifetime after which it is renewed.
    SASL_KERBEROS_TICKET_RENEW_WINDOW_FACTOR "sasl.kerberos.ticket.renew.window.factor" Double = Some("0.8"), Valid::Any, PerBroker, Medium;
    /// Java class that answers callbacks of a login.
    SASL_LOGIN_CALLBACK_HANDLER_CLASS "sasl.login.callback.handler.class" Class = None, Valid::Any, ReadOnly, Medium;
    /// Java class that logs in.
    SASL_LOGIN_CLASS "sasl.login.class" Class = None, Valid::Any, ReadOnly, Medium;
    /// Time to connect to an identity provider.
    SASL_LOGIN_CONNECT_TIMEOUT_MS "sasl.login.connect.timeout.ms" Int = None, Valid::Any, ReadOnly, Low;
    /// Time to read from an identity provider.
    SASL_LOGIN_READ_TIMEOUT_MS "sasl.login.read.timeout.ms" Int = None, Valid::Any, ReadOnly, Low;
    /// Least time before expiry at which a credential is refreshed.
    SASL_LOGIN_REFRESH_BUFFER_SECONDS "sasl.login.refresh.buffer.seconds" Short = Some("300"), Valid::Any, PerBroker, Medium;
    /// Least time between two refreshes of a credential.
    SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS "sasl.login.refresh.min.period.seconds" Short = Some("60"), Valid::Any, PerBroker, Medium;
    /// Share of a credential's lifetime after which it is refreshed.
    SASL_LOGIN_REFRESH_WINDOW_FACTOR "sasl.login.refresh.window.factor" Double = Some("0.8"), Valid::Any, PerBroker, Medium;
    /// Randomness of the refresh time of a credential.
    SASL_LOGIN_REFRESH_WINDOW_JITTER "sasl.login.refresh.window.jitter" Double = Some("0.05"), Valid::Any, PerBroker, Medium;
    /// Longest pause between login attempts.
    SASL_LOGIN_RETRY_BACKOFF_MAX_MS "sasl.login.retry.backoff.max.ms" Long = Some("10000"), Valid::Any, ReadOnly, Low;
    /// First pause between login attempts.
    SASL_LOGIN_RETRY_BACKOFF_MS "sasl.login.retry.backoff.ms" Long = Some("100"), Valid::Any, ReadOnly, Low;
    /// SASL mechanism towards controllers.
    SASL_MECHANISM_CONTROLLER_PROTOCOL "sasl.mechanism.controller.protocol" String = Some("GSSAPI"), Valid::Any, ReadOnly, High;
    /// SASL mechanism between brokers.
    SASL_MECHANISM_INTER_BROKER_PROTOCOL "sasl.mechanism.inter.broker.protocol" String = Some("GSSAPI"), Valid::Any, PerBroker, Medium;
    /// Signature algorithm of assertions.
    SASL_OAUTHBEARER_ASSERTION_ALGORITHM "sasl.oauthbearer.assertion.algorithm" String = Some("RS256"), Valid::OneOfIgnoringCase(&["ES256", "RS256"]), ReadOnly, Medium;
    /// Audience claim of assertions.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_AUD "sasl.oauthbearer.assertion.claim.aud" String = None, Valid::Any, ReadOnly, Medium;
    /// Lifetime of assertions.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_EXP_SECONDS "sasl.oauthbearer.assertion.claim.exp.seconds" Int = Some("300"), Valid::Between(0, 86400), ReadOnly, Low;
    /// Issuer claim of assertions.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_ISS "sasl.oauthbearer.assertion.claim.iss" String = None, Valid::Any, ReadOnly, Medium;
    /// Whether assertions carry a unique id.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_JTI_INCLUDE "sasl.oauthbearer.assertion.claim.jti.include" Boolean = Some("false"), Valid::Any, ReadOnly, Medium;
    /// How far the not-before claim of assertions lies back.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_NBF_SECONDS "sasl.oauthbearer.assertion.claim.nbf.seconds" Int = Some("60"), Valid::Between(0, 3600), ReadOnly, Low;
    /// Subject claim of assertions.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_SUB "sasl.oauthbearer.assertion.claim.sub" String = None, Valid::Any, ReadOnly, Medium;
    /// File with a ready assertion.
    SASL_OAUTHBEARER_ASSERTION_FILE "sasl.oauthbearer.assertion.file" String = None, Valid::Any, ReadOnly, Medium;
    /// File with the key that signs assertions.
    SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE "sasl.oauthbearer.assertion.private.key.file" String = None, Valid::Any, ReadOnly, Medium;
    /// Passphrase of the key that signs assertions.
    SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE "sasl.oauthbearer.assertion.private.key.passphrase" Password = None, Valid::Any, ReadOnly, Medium;
    /// File with further claims of assertions.
    SASL_OAUTHBEARER_ASSERTION_TEMPLATE_FILE "sasl.oauthbearer.assertion.template.file" String = None, Valid::Any, ReadOnly, Medium;
    /// Client id of the client credentials grant.
    SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID "sasl.oauthbearer.client.credentials.client.id" String = None, Valid::Any, ReadOnly, Medium;
    /// Client secret of the client credentials grant.
    SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET "sasl.oauthbearer.client.credentials.client.secret" Password = None, Valid::Any, ReadOnly, Medium;
    /// Tolerated difference between clocks when tokens are checked.
    SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS "sasl.oauthbearer.clock.skew.seconds" Int = Some("30"), Valid::Any, ReadOnly, Low;
    /// Audiences that tokens must name.
    SASL_OAUTHBEARER_EXPECTED_AUDIENCE "sasl.oauthbearer.expected.audience" List = Some(""), Valid::Any, ReadOnly, High;
    /// Issuer that tokens must name.
    SASL_OAUTHBEARER_EXPECTED_ISSUER "sasl.oauthbearer.expected.issuer" String = None, Valid::Any, ReadOnly, High;
    /// Time between two reads of the provider's keys.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long = Some("3600000"), Valid::Any, ReadOnly, Low;
    /// Longest pause between attempts to read the provider's keys.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long = Some("10000"), Valid::Any, ReadOnly, Low;
    /// First pause between attempts to read the provider's keys.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long = Some("100"), Valid::Any, ReadOnly, Low;
    /// Where the provider's keys are.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_URL "sasl.oauthbearer.jwks.endpoint.url" String = None, Valid::Any, ReadOnly, Medium;
    /// Java class that fetches tokens.
    SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS "sasl.oauthbearer.jwt.retriever.class" Class = Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Valid::Any, ReadOnly, Medium;
    /// Java class that checks tokens.
    SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS "sasl.oauthbearer.jwt.validator.class" Class = Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Valid::Any, ReadOnly, Medium;
    /// Scope asked of the provider.
    SASL_OAUTHBEARER_SCOPE "sasl.oauthbearer.scope" String = None, Valid::Any, ReadOnly, Medium;
    /// Claim that holds the scope.
    SASL_OAUTHBEARER_SCOPE_CLAIM_NAME "sasl.oauthbearer.scope.claim.name" String = Some("scope"), Valid::Any, ReadOnly, Low;
    /// Claim that holds the user.
    SASL_OAUTHBEARER_SUB_CLAIM_NAME "sasl.oauthbearer.sub.claim.name" String = Some("sub"), Valid::Any, ReadOnly, Low;
    /// Where tokens are fetched.
    SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL "sasl.oauthbearer.token.endpoint.url" String = None, Valid::Any, ReadOnly, Medium;
    /// Java class that answers callbacks of a SASL server.
    SASL_SERVER_CALLBACK_HANDLER_CLASS "sasl.server.callback.handler.class" Class = None, Valid::Any, ReadOnly, Medium;
    /// Largest SASL message that is accepted.
    SASL_SERVER_MAX_RECEIVE_SIZE "sasl.server.max.receive.size" Int = Some("524288"), Valid::Any, ReadOnly, Medium;
    /// Security protocol between brokers where `inter.broker.listener.name` is not set.
    SECURITY_INTER_BROKER_PROTOCOL "security.inter.broker.protocol" String = Some("PLAINTEXT"), Valid::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), ReadOnly, Medium;
    /// Java classes that install security providers.
    SECURITY_PROVIDERS "security.providers" String = None, Valid::Any, ReadOnly, Low;
    /// Whether a new certificate may carry another name.
    SSL_ALLOW_DN_CHANGES "ssl.allow.dn.changes" Boolean = Some("false"), Valid::Any, ReadOnly, Low;
    /// Whether a new certificate may carry other alternative names.
    SSL_ALLOW_SAN_CHANGES "ssl.allow.san.changes" Boolean = Some("false"), Valid::Any, ReadOnly, Low;
    /// Cipher suites that are offered; empty is the default of the TLS library.
    SSL_CIPHER_SUITES "ssl.cipher.suites" List = Some(""), Valid::Any, PerBroker, Medium;
    /// Whether clients must show a certificate.
    SSL_CLIENT_AUTH "ssl.client.auth" String = Some("none"), Valid::OneOf(&["required", "requested", "none"]), PerBroker, Medium;
    /// TLS versions that are offered.
    SSL_ENABLED_PROTOCOLS "ssl.enabled.protocols" List = Some("TLSv1.2,TLSv1.3"), Valid::Any, PerBroker, Medium;
    /// How a server's name is checked; empty does not check it.
    SSL_ENDPOINT_IDENTIFICATION_ALGORITHM "ssl.endpoint.identification.algorithm" String = Some("https"), Valid::Any, PerBroker, Low;
    /// Java class that makes TLS engines.
    SSL_ENGINE_FACTORY_CLASS "ssl.engine.factory.class" Class = None, Valid::Any, PerBroker, Low;
    /// Password of the private key.
    SSL_KEY_PASSWORD "ssl.key.password" Password = None, Valid::Any, PerBroker, Medium;
    /// Algorithm of the key store.
    SSL_KEYMANAGER_ALGORITHM "ssl.keymanager.algorithm" String = Some("SunX509"), Valid::Any, PerBroker, Medium;
    /// Certificate chain in PEM.
    SSL_KEYSTORE_CERTIFICATE_CHAIN "ssl.keystore.certificate.chain" Password = None, Valid::Any, PerBroker, Medium;
    /// Private key in PEM.
    SSL_KEYSTORE_KEY "ssl.keystore.key" Password = None, Valid::Any, PerBroker, Medium;
    /// File of the key store.
    SSL_KEYSTORE_LOCATION "ssl.keystore.location" String = None, Valid::Any, PerBroker, Medium;
    /// Password of the key store.
    SSL_KEYSTORE_PASSWORD "ssl.keystore.password" Password = None, Valid::Any, PerBroker, Medium;
    /// Format of the key store.
    SSL_KEYSTORE_TYPE "ssl.keystore.type" String = Some("JKS"), Valid::Any, PerBroker, Medium;
    /// Rules from certificate names to user names.
    SSL_PRINCIPAL_MAPPING_RULES "ssl.principal.mapping.rules" String = Some("DEFAULT"), Valid::Any, ReadOnly, Low;
    /// TLS version of new connections.
    SSL_PROTOCOL "ssl.protocol" String = Some("TLSv1.3"), Valid::Any, PerBroker, Medium;
    /// Name of the Java security provider.
    SSL_PROVIDER "ssl.provider" String = None, Valid::Any, PerBroker, Medium;
    /// Name of the Java random generator.
    SSL_SECURE_RANDOM_IMPLEMENTATION "ssl.secure.random.implementation" String = None, Valid::Any, PerBroker, Low;
    /// Algorithm of the trust store.
    SSL_TRUSTMANAGER_ALGORITHM "ssl.trustmanager.algorithm" String = Some("PKIX"), Valid::Any, PerBroker, Medium;
    /// Trusted certificates in PEM.
    SSL_TRUSTSTORE_CERTIFICATES "ssl.truststore.certificates" Password = None, Valid::Any, PerBroker, Medium;
    /// File of the trust store.
    SSL_TRUSTSTORE_LOCATION "ssl.truststore.location" String = None, Valid::Any, PerBroker, Medium;
    /// Password of the trust store.
    SSL_TRUSTSTORE_PASSWORD "ssl.truststore.password" Password = None, Valid::Any, PerBroker, Medium;
    /// Format of the trust store.
    SSL_TRUSTSTORE_TYPE "ssl.truststore.type" String = Some("JKS"), Valid::Any, PerBroker, Medium;
}
