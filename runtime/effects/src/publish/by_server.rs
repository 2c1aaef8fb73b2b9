//! Payloads for services that the server itself has: `server:mail` or `server:sms` instead of a broker. The administrator's settings say where they are and
//! how to log in there; a node says neither.

use std::sync::Arc;

use egress::Protocol;
use model::{Clock, Message, SystemClock, TenantId};
use plugins::Publish;

use super::options;
use crate::settings::{Kept, Mail, MailSettings, SmsSettings, sms};
use crate::{EffectError, Outside, Performed};

impl Outside {
    /// Hands a payload to a service of the server's; the message goes on as it was when that has taken it.
    pub(super) async fn by_server(
        &self,
        service: &str,
        tenant: TenantId,
        wanted: &Publish,
        message: &Arc<Message>,
    ) -> Result<Performed, EffectError> {
        if wanted.basic_auth.is_some() || wanted.tls.is_some() || wanted.proxy.is_some() {
            return invalid(
                "a service of the server's own is logged in to by the server, by its own way: no user name, no certificate, no proxy",
            );
        }
        match service {
            "mail" => self.mail_by_server(tenant, wanted).await?,
            "sms" => self.text_by_server(tenant, wanted).await?,
            _ => return invalid("the server's own services are server:mail and server:sms"),
        }
        let mut next = Message::clone(message);
        next.metadata.insert("acknowledgedBy", wanted.broker.as_str());
        Ok(Performed {
            relation: "Success",
            message: Some(Arc::new(next)),
        })
    }

    async fn mail_by_server(&self, tenant: TenantId, wanted: &Publish) -> Result<(), EffectError> {
        let mail = Mail {
            to: wanted.topic.clone(),
            body: self.bytes(tenant, &wanted.payload).await?.into(),
            ..options::mail(&wanted.options)?
        };
        let Some(settings) = MailSettings::kept(&self.secrets).await? else {
            return unset("mail");
        };
        let letter = settings.of_tenant(&mail)?;
        letter.check()?;
        let receivers = match &letter.protocol {
            Protocol::Smtp(smtp) => smtp.receivers(&letter.topic),
            _ => 1,
        };
        let used = self.allowances.mail.take(tenant, receivers, SystemClock.now_ms());
        used.map_err(EffectError::Invalid)?;
        self.egress.publish(tenant, letter).await?;
        Ok(())
    }

    async fn text_by_server(&self, tenant: TenantId, wanted: &Publish) -> Result<(), EffectError> {
        if !wanted.options.is_empty() {
            return invalid("there is no option for the server's service for text messages");
        }
        let text = self.bytes(tenant, &wanted.payload).await?;
        let text = String::from_utf8_lossy(&text);
        sms::check(&wanted.topic, &text)?;
        let Some(settings) = SmsSettings::kept(&self.secrets).await? else {
            return unset("sms");
        };
        let used = self.allowances.sms.take(tenant, 1, SystemClock.now_ms());
        used.map_err(EffectError::Invalid)?;
        settings.of_tenant(&self.egress, tenant, &wanted.topic, &text).await?;
        Ok(())
    }
}

fn invalid<T>(text: &str) -> Result<T, EffectError> {
    Err(EffectError::Invalid(text.to_owned()))
}

fn unset<T>(key: &str) -> Result<T, EffectError> {
    Err(EffectError::Invalid(format!(
        "this server has no {key} settings: its system administrator sets them (POST /api/admin/settings with the key {key})"
    )))
}
