//! Which elements and attributes TwiML knows.
//!
//! <https://www.twilio.com/docs/voice/twiml>

/// What an element may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    name: &'static str,
    attributes: &'static str,
    children: &'static str,
    pub(crate) text: bool,
}

impl Rule {
    pub(crate) fn knows_attribute(&self, name: &str) -> bool {
        name == "xmlns"
            || name.starts_with("xmlns:")
            || self.attributes.split(' ').any(|known| known == name)
    }

    pub(crate) fn knows_child(&self, name: &str) -> bool {
        self.children.split(' ').any(|known| known == name)
    }
}

/// The rule for an element; none when TwiML does not know it.
pub(crate) fn rule(name: &str) -> Option<Rule> {
    RULES.iter().find(|rule| rule.name == name).copied()
}

const fn container(name: &'static str, attributes: &'static str, children: &'static str) -> Rule {
    Rule {
        name,
        attributes,
        children,
        text: false,
    }
}

const fn leaf(name: &'static str, attributes: &'static str) -> Rule {
    container(name, attributes, "")
}

const fn text(name: &'static str, attributes: &'static str, children: &'static str) -> Rule {
    Rule {
        name,
        attributes,
        children,
        text: true,
    }
}

const SSML: &str = "break emphasis lang p phoneme prosody s say-as sub w";
const CALLEE: &str = "url method statusCallback statusCallbackEvent statusCallbackMethod machineDetection \
     machineDetectionTimeout machineDetectionSpeechThreshold machineDetectionSpeechEndThreshold \
     machineDetectionSilenceTimeout amdStatusCallback amdStatusCallbackMethod sendDigits byoc username password \
     clientNotificationUrl copyParentTo customerId";

const RULES: &[Rule] = &[
    container(
        "Response",
        "",
        "Say Play Pause Gather Record Dial Connect Start Stop Redirect Hangup Leave Echo Reject Enqueue Queue Refer \
         Pay Prompt Sms",
    ),
    text("Say", "voice language loop", SSML),
    text("break", "strength time", ""),
    text("emphasis", "level", SSML),
    text("lang", "xml:lang", SSML),
    text("p", "", SSML),
    text("phoneme", "alphabet ph", ""),
    text("prosody", "volume rate pitch", SSML),
    text("s", "", SSML),
    text("say-as", "interpret-as format", ""),
    text("sub", "alias", ""),
    text("w", "role", SSML),
    text("Play", "loop digits", ""),
    leaf("Pause", "length"),
    container(
        "Gather",
        "input action method timeout finishOnKey numDigits speechTimeout maxSpeechTime hints language speechModel \
         enhanced profanityFilter partialResultCallback partialResultCallbackMethod actionOnEmptyResult bargeIn debug",
        "Say Play Pause",
    ),
    leaf(
        "Record",
        "action method timeout finishOnKey maxLength playBeep trim recordingStatusCallback \
         recordingStatusCallbackMethod recordingStatusCallbackEvent transcribe transcribeCallback \
         recordingConfigurationId",
    ),
    text(
        "Dial",
        "action method timeout timeLimit callerId answerOnBridge hangupOnStar record recordingTrack \
         recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent recordingConfigurationId \
         trim ringTone sequential referUrl referMethod events callReason passports",
        "Number Client Sip Conference Queue Sim Application WhatsApp",
    ),
    text("Number", CALLEE, ""),
    text("WhatsApp", CALLEE, ""),
    text("Sim", "", ""),
    text("Sip", CALLEE, "Uri Headers"),
    text("Uri", "username password priority weight", ""),
    container("Headers", "", "Header"),
    leaf("Header", "name value"),
    text("Client", CALLEE, "Identity Parameter"),
    text("Identity", "", ""),
    text("Application", CALLEE, "ApplicationSid Parameter"),
    text("ApplicationSid", "", ""),
    text(
        "Conference",
        "muted beep startConferenceOnEnter endConferenceOnExit waitUrl waitMethod maxParticipants record region \
         coach trim participantLabel jitterBufferSize statusCallback statusCallbackEvent statusCallbackMethod \
         recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent eventCallbackUrl \
         recordingConfigurationId",
        "",
    ),
    text("Queue", "url method reservationSid postWorkActivitySid", ""),
    container(
        "Connect",
        "action method",
        "Stream ConversationRelay VirtualAgent Room Autopilot Conversation AiSession ConversationRelaySession Assistant",
    ),
    container(
        "Start",
        "action method",
        "Stream Siprec Transcription Recording",
    ),
    container("Stop", "", "Stream Siprec Transcription Recording"),
    container(
        "Stream",
        "url name track statusCallback statusCallbackMethod connectorName",
        "Parameter",
    ),
    leaf("Parameter", "name value"),
    container(
        "Siprec",
        "name connectorName track statusCallback statusCallbackMethod",
        "Parameter",
    ),
    container(
        "Transcription",
        "name track statusCallbackUrl statusCallbackMethod languageCode inboundTrackLabel outboundTrackLabel \
         partialResults profanityFilter transcriptionEngine speechModel hints enableAutomaticPunctuation \
         intelligenceService",
        "Config Parameter",
    ),
    leaf("Config", "name value"),
    leaf(
        "Recording",
        "name channels track trim recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent \
         recordingConfigurationId",
    ),
    container(
        "ConversationRelay",
        "url welcomeGreeting welcomeGreetingInterruptible language ttsLanguage transcriptionLanguage ttsProvider voice \
         transcriptionProvider speechModel interruptible interruptSensitivity dtmfDetection preemptible hints debug \
         reportInputDuringAgentSpeech partialPrompts profanityFilter intelligenceService events speechTimeout \
         elevenlabsTextNormalization backgroundNoiseReduction ignoreBackchannel deepgramSmartFormat",
        "Language Parameter",
    ),
    leaf(
        "Language",
        "code ttsProvider voice transcriptionProvider speechModel",
    ),
    text("Redirect", "method", ""),
    container("Hangup", "", "Parameter"),
    leaf("Leave", ""),
    leaf("Echo", ""),
    container("Reject", "reason", "Parameter"),
    text(
        "Enqueue",
        "action method maxQueueSize waitUrl waitUrlMethod workflowSid",
        "Task",
    ),
    text("Task", "priority timeout", ""),
    container("Refer", "action method", "Sip"),
    container(
        "Pay",
        "action method input bankAccountType statusCallback statusCallbackMethod timeout maxAttempts securityCode \
         postalCode minPostalCodeLength paymentConnector paymentMethod tokenType chargeAmount currency description \
         validCardTypes language",
        "Prompt Parameter",
    ),
    container(
        "Prompt",
        "for errorType cardType attempt requireMatchingInputs",
        "Say Play Pause",
    ),
    text("Sms", "to from action method statusCallback", ""),
];
