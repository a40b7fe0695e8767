"""All tables, so that one import makes the whole schema known."""

from __future__ import annotations

from models.account import ApiKey, User
from models.alerts import Alert
from models.audit import AuditLine
from models.campaign import Campaign, Product
from models.customer import Customer
from models.delivery import Attempt, Delivery
from models.event import Event
from models.heartbeat import Heartbeat, Installation
from models.job import Job
from models.order import Order
from models.profile import Gate, Mapping, Profile, Route
from models.run import FileItem, Run, RunChunk, Upload, UploadTry
from models.sign_in import LoginFailure, SignIn
from models.tallies import DeliveryDay

ALL = (
    Alert,
    ApiKey,
    Attempt,
    AuditLine,
    Campaign,
    Customer,
    Delivery,
    DeliveryDay,
    Event,
    FileItem,
    Gate,
    Heartbeat,
    Installation,
    Job,
    LoginFailure,
    Mapping,
    Order,
    Product,
    Profile,
    Route,
    Run,
    RunChunk,
    SignIn,
    Upload,
    UploadTry,
    User,
)
